# The payments team.

lokahi {
  project = "team-payments"
  include = ["../shared"]
}

webhook "oncall" {
  url    = "https://hooks.example.com/payments"
  format = "json"
}

defaults {
  playbook_url = "${local.wiki}/payments"
  labels       = { team = "payments" }

  notify {
    webhooks = [webhook.oncall]
  }
}

check "ledger" {
  use = [template.urgent]
  url = "https://ledger.example.com/health"
}
