"""timerlab.presets"""
