# What is a ticket and no alarm: the site works, and somebody should look at it this week.

lokahi {
  project = "tickets"
}

webhook "oncall" {
  url    = "https://hooks.example.com/oncall"
  format = "json"
}

defaults {
  every = "1m"

  # It holds for every check below: an `assert` or `warn` of a check is added to it, unless it
  # has the same label.
  warn "certificate" {
    cert_valid_for = "21d"
  }

  notify {
    webhooks = [webhook.oncall]
  }
}

# Up and degraded when the certificate ends within three weeks: `check.degraded` is told once,
# and once more, resolved, when there is a new one. Nobody's uptime suffers.
check "shop" {
  url = "https://shop.example.com/"
}

# Two limits of one thing: a ticket above a second, an outage above five.
check "checkout" {
  url     = "https://shop.example.com/checkout"
  timeout = "10s"

  assert {
    max_latency = "5s"
  }

  warn "slow" {
    max_latency = "1s"
  }
}

# An API that tells of its own troubles.
check "search" {
  url = "https://search.example.com/health"

  warn "replicas" {
    condition     = response.json.replicas >= 2
    error_message = "only ${response.json.replicas} replicas"
  }
}
