# A site behind a password (HTTP basic authentication), and one that wants a key in a
# header of its own.

lokahi {
  project = "basic-auth"
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

# The secret is what stands behind `Basic`, user and password in base64:
#
#   printf 'lokahi:correct horse' | base64 > "$SECRETS_DIR/intranet-login"
check "intranet" {
  url     = "https://intranet.example.com/"
  headers = { authorization = "Basic ${secret("intranet-login")}" }

  assert {
    body_contains = ["Welcome"]
  }
}

check "maps" {
  url     = "https://maps.example.net/v1/tile/0/0/0"
  headers = { x-api-key = secret("maps-key") }

  assert {
    header = { content-type = "image/png" }
  }
}
