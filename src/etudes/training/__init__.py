"""Launch, fit, resume, progress, seeds: what every training node needs and nothing of any one study."""
