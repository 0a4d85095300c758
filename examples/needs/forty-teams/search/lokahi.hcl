# The search team.

lokahi {
  project = "team-search"
  include = ["../shared"]
}

webhook "oncall" {
  url    = "https://hooks.example.com/search"
  format = "json"
}

defaults {
  playbook_url = "${local.wiki}/search"
  labels       = { team = "search" }

  notify {
    webhooks = [webhook.oncall]
  }
}

check "index" {
  use = [template.urgent]
  url = "https://index.example.com/health"
}
