# A site that is asked each second, over a connection that stays open: no lookup, no connect and no
# handshake each time, neither here nor there.

lokahi {
  project = "each-second"
}

webhook "oncall" {
  url    = "https://hooks.example.com/oncall"
  format = "json"
}

defaults {
  notify {
    webhooks = [webhook.oncall]
  }
}

check "checkout" {
  url              = "https://checkout.example.com/health"
  every            = "1s"
  timeout          = "800ms"
  reuse_connection = true

  # Three seconds are an outage. Each try after the first failure has a new connection.
  confirm {
    failures = 3
  }
}

# What a kept connection does not see for up to ten minutes: where the name leads, and which
# certificate is shown to who comes now.
check "checkout_front" {
  url   = "https://checkout.example.com/health"
  every = "1m"

  warn "certificate" {
    cert_valid_for = "21d"
  }
}
