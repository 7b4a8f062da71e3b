"""What every edge shares: one transaction per request, who is asking, what they may call, how errors are said."""
