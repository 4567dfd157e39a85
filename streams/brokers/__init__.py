"""What is asked of the brokers besides events: topics, transactions, what they refuse; and the embedded one."""
