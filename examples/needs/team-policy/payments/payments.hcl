# The payments team wants to know sooner, and tells the house as well.

webhook "payments_oncall" {
  url    = "https://hooks.example.com/payments"
  format = "json"
}

defaults {
  every        = "15s"
  playbook_url = "https://wiki.example.com/payments"
  labels       = { team = "payments", tier = "1" }

  notify {
    webhooks = [webhook.payments_oncall, webhook.everybody]
  }
}

check "checkout" {
  url = "https://pay.example.com/health"
}

# One check may differ from its folder, and say why: the bank allows one request a
# minute, also after a failure, when a check is asked again sooner than `every`.
check "bank" {
  url    = "https://bank.example.net/ping"
  every  = "60s"
  labels = { tier = null }

  confirm {
    retry = "60s"
  }
}
