# A site that goes up and down all night: one page that it does, one when it has settled.

lokahi {
  project = "partners"
}

webhook "oncall" {
  url    = "https://hooks.example.com/partners"
  format = "json"
}

defaults {
  notify {
    webhooks = [webhook.oncall]
  }
}

# Nobody here can mend it, and it comes back by itself. While it flaps nothing of it is told but the
# end of what was told before.
check "feed" {
  url = "https://feed.partner.example.com/v1/latest"

  notify {
    flapping = "hold"
  }
}

# This one earns the money: each time is told.
check "payments" {
  url = "https://payments.partner.example.com/healthz"
}
