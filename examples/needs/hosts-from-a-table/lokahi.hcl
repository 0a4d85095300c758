# Many hosts that are alike come from a table that somebody else keeps: a spreadsheet,
# an inventory, another program. Files of data lie below the root; a line more is a
# check more, and a review shows that line alone.

lokahi {
  project = "hosts"
}

locals {
  # name,address,team,every
  hosts = csvdecode(file("data/hosts.csv"))

  # By name, which must be unique: it is the check's identity. Those that are switched
  # off are left out.
  watched = { for host in local.hosts : host.name => host if host.state == "on" }

  sites = yamldecode(file("data/sites.yaml")).sites
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

check "host" {
  for_each = local.watched
  url      = "https://${each.value.name}.hosts.example.com:8443/health"
  every    = each.value.every
  labels   = { team = each.value.team, rack = each.value.rack }
}

# From YAML, where some entries say more than others.
check "site" {
  for_each = { for site in local.sites : site.name => site }
  url      = each.value.url
  every    = try(each.value.every, "60s")

  assert {
    status = try(each.value.status, [200])
  }
}
