# The same check for each region: homepage["eu"], homepage["us"], ... A region is a
# line in `regions`; what differs between them stands there, too.

lokahi {
  project = "regions"
}

locals {
  regions = {
    eu = { host = "eu.example.com", max = "800ms" }
    us = { host = "us.example.com", max = "800ms" }
    ap = { host = "ap.example.com", max = "2s" } # far away from where we probe
  }
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

check "homepage" {
  for_each = local.regions
  url      = "https://${each.value.host}/"
  labels   = { region = each.key }

  assert {
    status      = [200]
    max_latency = each.value.max
  }
}

# Every page in every region: the keys are made of both, search["eu-shoes"] and so on.
locals {
  searches = {
    for pair in setproduct(keys(local.regions), ["shoes", "hats"]) :
    "${pair[0]}-${pair[1]}" => { region = pair[0], word = pair[1] }
  }
}

check "search" {
  for_each = local.searches
  url      = "https://${local.regions[each.value.region].host}/search?q=${urlencode(each.value.word)}"
  every    = "5m"
  labels   = { region = each.value.region }
}
