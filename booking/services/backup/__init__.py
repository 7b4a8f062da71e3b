"""Backup and restore of database and attachments, while everything runs."""

from booking.services.backup.archive import BackupError, Manifest
from booking.services.backup.restore import restore
from booking.services.backup.take import take

__all__ = ["BackupError", "Manifest", "restore", "take"]
