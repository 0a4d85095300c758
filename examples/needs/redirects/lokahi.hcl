# Redirects are followed, ten at most, and the last answer is what is judged; or they are the
# answer.

lokahi {
  project = "redirects"
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

# Whoever types the name is led to the shop, over https.
check "front_door" {
  # lokahi-ignore: LK0901 that http leads to https is what is looked at
  url = "http://example.com/"

  assert "page" {
    status        = [200]
    body_contains = ["</html>"]
  }

  # Where it ended.
  assert "secure" {
    condition     = startswith(response.url, "https://www.example.com/")
    error_message = "it leads to ${response.url}"
  }
}

# The redirect itself, which is not followed.
check "to_https" {
  # lokahi-ignore: LK0901 that http leads to https is what is looked at
  url              = "http://www.example.com/"
  follow_redirects = false

  assert "secure" {
    status = [301, 308]
    header = { location = "https://www.example.com/" }
  }
}

# Sets of statuses: some, classes, ranges. Without any, it is 2xx.
check "upload" {
  url    = "https://files.example.com/upload"
  method = "OPTIONS"

  assert {
    status = [200, 204]
  }
}

# A page that must not be there.
check "no_backup" {
  url = "https://www.example.com/backup.sql"

  assert {
    status = [403, "404-410"]
  }
}
