# A library: no `lokahi` block, so that it is no project, and no checks. Whoever
# includes it has its templates, locals, variables and receivers.

locals {
  company_domain = "example.com"
}

webhook "platform" {
  url    = "https://hooks.example.com/platform"
  format = "json"
}

# What every web page must keep.
template "page" {
  assert "page" {
    status         = [200]
    body_contains  = ["</html>"]
    header_matches = { strict-transport-security = "max-age=[0-9]{7}" }
  }

  confirm {
    failures = 3
  }
}

# What every service must keep.
template "service" {
  headers = { accept = "application/json" }

  assert "health" {
    json = { status = "ok" }
  }
}

template "urgent" {
  every = "10s"

  confirm {
    failures = 1
  }
}
