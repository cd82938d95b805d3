"""What may hold an order back: kill switch, risk, rate windows, breaker."""
