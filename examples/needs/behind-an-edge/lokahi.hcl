# When the line is cut everything behind it is down: one page, not one for each.

lokahi {
  project = "depot"
}

webhook "oncall" {
  url    = "https://hooks.example.com/depot"
  format = "json"
}

# Of what hangs on the edge nobody is told while the edge is down. What still is when it is up again
# is told then.
defaults {
  suppressed_by = [check.edge]

  notify {
    webhooks = [webhook.oncall]
  }
}

# What all hang on hangs on nothing. It is looked at more often, so that it is known first.
check "edge" {
  url           = "https://edge.depot.example.com/healthz"
  every         = "10s"
  suppressed_by = []
}

check "doors" {
  url = "https://doors.depot.example.com/"
}

check "scales" {
  url = "https://scales.depot.example.com/"
}
