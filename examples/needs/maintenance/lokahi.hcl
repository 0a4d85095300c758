# Somebody works on what is watched: nobody is to be woken by that, and it is no downtime.

lokahi {
  project = "bakery"
}

webhook "oncall" {
  url    = "https://hooks.example.com/bakery"
  format = "json"
}

defaults {
  notify {
    webhooks = [webhook.oncall]
  }
}

check "till" {
  url    = "https://till.bakery.example.com/healthz"
  labels = { database = "main" }
}

check "orders" {
  url    = "https://orders.bakery.example.com/healthz"
  labels = { database = "main" }
}

check "homepage" {
  url = "https://www.bakery.example.com/"
}

# Each Sunday at three by the clock of Berlin, in winter and in summer, for two hours.
maintenance "backup" {
  cron     = "0 3 * * sun"
  duration = "2h"
  timezone = "Europe/Berlin"
  reason   = "The database is backed up."

  match {
    labels = { database = "main" }
  }
}

# Once. When it is over it means nothing more, and can be taken out at leisure.
maintenance "move" {
  start  = "2026-12-05T22:00:00+01:00"
  end    = "2026-12-06T02:00:00+01:00"
  reason = "Everything moves to the new cluster."

  match {
    names = ["*"]
  }
}
