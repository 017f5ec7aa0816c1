"""The only durable truth. One call is one transaction is one decision over the rows it has read; calls of the same moment
share a commit (see `group`)."""
