# The web team: its own receiver, and its own label to find its checks by:
# lokahictl list --label team=web

webhook "web_oncall" {
  url    = "https://hooks.example.com/web"
  format = "json"
}

defaults {
  labels = { team = "web" }

  # The list is replaced, not added to.
  notify {
    webhooks = [webhook.web_oncall]
  }
}

check "homepage" {
  url = "https://www.example.com/"

  assert {
    body_contains = ["</html>"]
  }
}

check "blog" {
  url   = "https://blog.example.com/"
  every = "5m"
}
