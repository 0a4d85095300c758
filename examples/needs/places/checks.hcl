# Probed from several places: each is a healthworker that runs there with its LOCATION, over the
# same NATS. `lokahictl plan` warns of a name that no worker has ever had.

lokahi {
  project   = "places"
  operators = [webhook.oncall]
}

webhook "oncall" {
  url    = "https://hooks.example.com/oncall"
  format = "json"
}

defaults {
  every     = "30s"
  locations = ["eu-1", "us-1", "ap-1"]

  notify {
    webhooks = [webhook.oncall]
  }
}

# In turn, one of them every 30 seconds. A failure is tried again from the next place, and is
# believed when that one sees it, too.
check "homepage" {
  url = "https://www.example.com/"
}

# A long way, where packets get lost: down when three of the last six probes failed, of two
# places at least, all within five minutes.
check "api" {
  url = "https://api.example.com/health"

  confirm {
    failures = 3
    of       = 6
    distinct = 2
    within   = "5m"
  }
}

# Within one network only: no other worker could reach it.
check "intranet" {
  url       = "https://intranet.example.com/"
  locations = ["eu-1"]
}
