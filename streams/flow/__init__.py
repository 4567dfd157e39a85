"""From records to outcomes, without I/O: events are decoded, merged by event time, and worked on by the batch."""
