"""SMILE, an audio-visual speech recogniser with parts that settings can replace."""
