"""Wire types shared by coordinator and agent; everything below provider/ is generated."""
