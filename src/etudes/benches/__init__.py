"""What the evaluation of a kind of task shares: functions that a study calls, not a frame that it fills."""
