"""The audit trail as evidence: checked, anchored outside, exported, shown, and cleared away when its time is over."""
