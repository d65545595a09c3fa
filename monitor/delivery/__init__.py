"""What leaves the house when an alert fires: channels, the outbox, and the messages themselves (docs/delivery.md).

`Outbox.put` records a message beside its alert, `deliver_due` sends what is due. At least once: a receiver deduplicates
by the message's id.
"""
