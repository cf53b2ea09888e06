"""The cmdlets of the lab, one module a family, each thin above a site."""
