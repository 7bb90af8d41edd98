"""The ports, implemented over AWS and in memory."""
