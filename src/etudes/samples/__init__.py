"""Embedded samples: seeded stand-ins for public data, with the best attainable score known exactly."""
