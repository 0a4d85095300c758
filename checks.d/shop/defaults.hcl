# The shop has a folder of its own, and what holds in it: these defaults are laid
# over those of the folder above, so that its checks have the label env, too.
#
# There is no shop here. The sample receiver stands in for its pages and lokahid
# for its API: they answer the same whatever follows the question mark.

defaults {
  playbook_url = "https://github.com/Xe/lokahi#five-minutes"
  labels       = { team = "shop" }
}

# What all pages have in common. A check says `use = [template.page]`.
template "page" {
  assert "page" {
    status        = [200]
    body_contains = ["ok"]
  }

  # Slow is as bad as down, if it stays slow: three times in a row.
  assert "fast" {
    max_latency = "750ms"
  }

  confirm {
    failures = 3
    retry    = "2s"
  }
}

template "api" {
  headers = { accept = "application/json" }

  assert "answer" {
    status         = [200]
    header_matches = { content-type = "^application/json" }
  }
}
