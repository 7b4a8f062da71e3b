"""Advice conversations, on both sides."""
