"""The line in which first copies wait for their hosts."""
