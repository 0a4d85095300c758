# The same question to each region. The busy one is asked more often.

check "shop_api" {
  for_each = toset(["eu", "us"])
  use      = [template.api]
  url      = "${local.lokahid}/readyz?region=${each.key}"
  every    = each.key == "eu" ? "5s" : "10s"
  labels   = { region = each.key }

  # Values in places of the answer. What is equal needs no condition.
  assert "ready" {
    json = { ready = true, database = "ok" }
  }
}

# A question with a body, for those with the password: how many checks are there?
# Whatever stands in `jsonencode` is written as JSON, so nothing has to be escaped.
check "shop_search" {
  # lokahid stands in for it: where that is down, this is no news of its own.
  suppressed_by = [check.lokahid]

  use     = [template.api]
  url     = "${local.lokahid}/twirp/github.xe.lokahi.Checks/List"
  method  = "POST"
  headers = { authorization = "Basic ${secret("sample-login")}", content-type = "application/json" }
  body    = jsonencode({ count = 1 })

  assert "found" {
    condition     = length(response.json.results) == 1
    error_message = "${length(response.json.results)} results instead of one"
  }
}
