"""From nothing to a daemon that trades: what is asked, what is written, how it is started. The flow is `ordoctl.commands.setup`.

Everything is asked before anything is written, and what is written is written whole: whoever gives up at a question has lost nothing.
"""
