"""The group's assignor: by a whole picture of the cluster only, evenly, with few moves and short messages.

Subclass of faust-streaming 0.15.3, which it understands and which understands it, so that workers of both may be in one
group: name, version and form of the messages are Faust's. What it does otherwise:

- A broker that has just started answers before it knows its topics. Faust leaves out what is missing, and nothing
  would ever hand it out later: the group's members would stand by for ever.
- Where the numbers do not go evenly into the workers, Faust takes one off each who has more than the least at every
  rebalance, and gives it to somebody else; and of 200 numbers the 51st worker gets one while 49 others move.
- Faust tells every worker what every other one has, and each of them tells it the group again: with some 75 workers of
  200 numbers that is more than the megabyte that a broker takes (offsets topic, max.message.bytes).
"""

from collections.abc import Mapping
from typing import Any

from faust.assignor.client_assignment import ClientAssignment, ClientMetadata
from faust.assignor.partition_assignor import PartitionAssignor

from streams.group.sharing import share


class IncompleteError(RuntimeError):
    """The broker does not know all of the topics yet: ask again."""


class WholeAssignor(PartitionAssignor):  # type: ignore[misc] # Faust has no types
    """`assign` runs in the group's leader; what it raises makes the group join again (streams.group.groupwatch)."""

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

    def on_assignment(self, assignment: Any) -> None:
        """Keep what is ours; what others have, nobody here asks for, and it would go into our next message."""
        super().on_assignment(assignment)
        nobody: dict[str, dict[str, list[int]]] = {}
        self.changelog_distribution = self.external_topic_distribution = nobody

    def _perform_assignment(self, cluster: Any, member_metadata: Mapping[str, Any]) -> Any:
        topics = sorted(self.app.offbeat_settings.sources)
        if any(sorted(told.subscription) != topics for told in member_metadata.values()):
            return super()._perform_assignment(cluster, member_metadata)  # streams.group.recovery says what is wrong
        told = {member: ClientMetadata.loads(metadata.user_data) for member, metadata in member_metadata.items()}
        self._update_member_urls(told)
        claims = {
            member: metadata.assignment.copartitioned_assignment(set(topics)).actives
            for member, metadata in told.items()
        }
        assignments = {
            member: ClientAssignment(actives=dict.fromkeys(topics, numbers), standbys={})
            for member, numbers in share(self.app.offbeat_partitions, claims).items()
        }
        return self._protocol_assignments(assignments, {}, {}, dict.fromkeys(topics, 0))
