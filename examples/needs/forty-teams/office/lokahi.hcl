# The office team.

lokahi {
  project = "team-office"
  include = ["../shared"]
}

webhook "oncall" {
  url    = "https://hooks.example.com/office"
  format = "json"
}

defaults {
  playbook_url = "${local.wiki}/office"
  labels       = { team = "office" }

  notify {
    webhooks = [webhook.oncall]
  }
}

check "mail" {
  use = [template.relaxed]
  url = "https://mail.example.com/health"
}
