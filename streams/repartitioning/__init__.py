"""More partitions for topics in use: states move to where their keys will be."""
