"""What a provider's booking office asks beside the worklists: what to take up next, which times to suggest, and whom
a cancelled clinic touches."""
