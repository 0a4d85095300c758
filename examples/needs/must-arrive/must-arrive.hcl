# A page that must arrive: signed, with another way where it does not, and told again until somebody
# works on it.

lokahi {
  project   = "payments"
  operators = [webhook.platform]
}

# Who is on call. Whoever takes the page can see that lokahi sent it: both signatures stand in it
# while the secret is changed, the new one first.
webhook "oncall" {
  url      = secret("oncall-url")
  format   = "json"
  secrets  = [secret("oncall-signing-2027"), secret("oncall-signing-2026")]
  timeout  = "5s"
  fallback = webhook.sms
}

# What has not arrived there after two minutes, or was given up, goes here too.
webhook "sms" {
  url     = "https://sms.example.com/send"
  format  = "json"
  headers = { authorization = "Bearer ${secret("sms-token")}" }
}

# Hears that the receiver of pages fails, and of nothing that goes well.
webhook "platform" {
  url    = "https://hooks.example.com/platform"
  format = "json"
}

# Writes each change down: nothing that waits is left out for something newer.
webhook "ledger" {
  url      = "https://ledger.example.com/events"
  format   = "json"
  collapse = false
}

check "checkout" {
  url          = "https://pay.example.com/healthz"
  playbook_url = "https://wiki.example.com/checkout-is-down"

  notify {
    webhooks = [webhook.oncall, webhook.ledger]
    repeat   = "4h"
  }
}
