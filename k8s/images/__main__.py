"""python -m k8s.images"""

from k8s.images.build import main

main()
