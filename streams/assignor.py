"""Faust's assignor, but by a whole picture of the cluster only. Subclass of faust-streaming 0.15.3.

A broker that has just started answers before it knows its topics. Faust's assignor leaves out what is missing, and
nothing would ever hand it out later: the group's members would stand by for ever.
"""

from typing import Any

from faust.assignor.partition_assignor import PartitionAssignor


class IncompleteError(RuntimeError):
    """The broker does not know all of the topics yet: ask again."""


class WholeAssignor(PartitionAssignor):  # type: ignore[misc] # Faust has no types
    """Runs in the group's leader; what it raises makes the group join again (streams.groupwatch)."""

    def assign(self, cluster: Any, member_metadata: Any) -> Any:
        wanted: int = self.app.offbeat_partitions
        for topic in self.app.offbeat_settings.sources:
            found = len(cluster.partitions_for_topic(topic) or ())
            if found > wanted:
                self.app.offbeat_fatal(
                    2,
                    f"topic {topic} has {found} partitions now, it had {wanted} when this worker started; see what to "
                    "do with: offbeat topics check",
                )
            if found != wanted:
                raise IncompleteError(f"the broker tells {found} of the {wanted} partitions of {topic}")
        return super().assign(cluster, member_metadata)
