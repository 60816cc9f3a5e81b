"""SMILE, an audio-visual speech recogniser whose parts can be swapped by settings."""
