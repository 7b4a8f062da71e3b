"""The practice's pages: services, referring, worklists, what became of it all, patients."""
