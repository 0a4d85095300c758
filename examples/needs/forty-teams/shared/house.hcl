# What every team has: the receivers, the labels that must be there, and how urgent
# something may be.

webhook "platform" {
  url    = "https://hooks.example.com/platform"
  format = "json"
}

locals {
  wiki = "https://wiki.example.com"
}

template "urgent" {
  every = "15s"

  confirm {
    failures = 2
    retry    = "5s"
  }
}

template "relaxed" {
  every = "5m"

  confirm {
    failures = 4
  }
}
