"""The patient's way: times to choose from, one kept while they confirm, an appointment, and changing one's mind.

Every POST ends in a redirect or in a page that says plainly what happened. Sending one twice, or coming back with
the browser's Back button, finds what is there and never does a thing twice.
"""
