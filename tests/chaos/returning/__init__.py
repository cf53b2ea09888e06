"""Sites that die and come back while machines fail over: do two copies ever run at once?"""
