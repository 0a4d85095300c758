# A project that includes the library beside it.

lokahi {
  project = "library-shop"
  include = ["../shared"]
}

defaults {
  notify {
    webhooks = [webhook.platform]
  }
}

check "homepage" {
  use = [template.page]
  url = "https://www.${local.company_domain}/"
}

# Several: a later one wins, and the check wins over all.
check "checkout" {
  use   = [template.service, template.urgent]
  url   = "https://pay.${local.company_domain}/health"
  every = "15s"

  # Joined with the template's assert of this label: both must hold.
  assert "health" {
    max_latency = "1s"
  }
}
