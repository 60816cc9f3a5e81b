"""What the tests decide: the verdict on an arm, the gate, the champion."""
