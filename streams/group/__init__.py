"""The consumer group, by Faust and aiokafka: who fetches, who gets which partition numbers, what a rebalance does."""
