# Policy for each team, by folder. What all must keep stands here, once; a team's
# folder lays its own defaults over it: nearer wins, labels are merged.

lokahi {
  project = "company"
}

webhook "everybody" {
  url    = "https://hooks.example.com/everybody"
  format = "json"
}

# The policy of the house: every minute, two failures before anyone is told, and
# somebody hears of it even where a team has not said who.
defaults {
  every  = "60s"
  labels = { env = "prod", team = "nobody" }

  confirm {
    failures = 2
  }

  notify {
    webhooks = [webhook.everybody]
  }
}
