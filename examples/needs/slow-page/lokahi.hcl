# When slow is as bad as down. One slow answer is nothing; slow for minutes is.

lokahi {
  project = "slow-page"
}

webhook "oncall" {
  url    = "https://hooks.example.com/oncall"
  format = "json"
}

defaults {
  every = "30s"

  notify {
    webhooks = [webhook.oncall]
  }
}

# `timeout` ends the probe, `max_latency` judges it. With a timeout above it a slow
# answer is told as slow, with its latency, and not as no answer.
check "catalogue" {
  url     = "https://www.example.com/catalogue"
  timeout = "10s"

  assert {
    max_latency = "1500ms"
  }

  # A check that failed once is looked at every 10 s. Five in a row are about a minute.
  # And it is up again only when it was fast twice.
  confirm {
    failures  = 5
    successes = 2
    retry     = "10s"
  }
}

# Where the time goes: the site's own, not that of name, connection and TLS.
check "search" {
  url = "https://www.example.com/search?q=shoes"

  assert "own_time" {
    condition     = response.latency.first_byte < 0.5
    error_message = "the first byte took ${response.latency.first_byte} s"
  }

  confirm {
    failures = 3
  }
}
