from ponyreload.main import *

use_autoreload()

@http
def page1():
    return "Hello, world!"

http.start("localhost:8080")
