# A data centre goes, and two hundred sites with it: one message for each team, not two hundred.

lokahi {
  project = "hosting"
}

webhook "chat" {
  url    = "https://hooks.example.com/hosting"
  format = "json"
}

# What fails within half a minute of the first, with the same team, is told together.
defaults {
  notify {
    webhooks   = [webhook.chat]
    group_by   = ["team"]
    group_wait = "30s"
  }
}

check "shop" {
  url    = "https://shop.example.com/healthz"
  labels = { team = "web" }
}

check "blog" {
  url    = "https://blog.example.com/healthz"
  labels = { team = "web" }
}

check "webmail" {
  url    = "https://mail.example.com/healthz"
  labels = { team = "mail" }
}
