"""python -m services.torchserve"""

from services.torchserve.main import main

main()
