"""The field's words as frozen values: orders, portfolio, market, instruments, money. No behaviour."""
